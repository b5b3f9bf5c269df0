import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { describe } from 'vitest';

/** Where Debian puts it, and where Chrome is on machines that have that. */
const places = ['/usr/bin/chromium', '/usr/bin/google-chrome'];
const executablePath = places.find((place) => existsSync(place));
const missing = `there is no Chromium at ${places.join(' or ')} (apt-get install chromium).`;
if (!executablePath && process.env.CI) throw new Error(`In CI nothing may be skipped, and ${missing}`);

/** A suite in a browser; skipped by name where there is none, except in CI, where it fails. */
export function describeInChromium(title: string, suite: () => void): void {
  if (!executablePath) console.warn(`SKIPPED: ${title}: ${missing}`);
  // A page of nine megabytes, on small machines.
  describe.runIf(executablePath !== undefined)(title, { timeout: 120_000 }, suite);
}

/** A browser with a profile of its own, which calls nobody but the pages that it is shown. */
export const openChromium = (): Promise<Browser> =>
  chromium.launch({
    ...(executablePath ? { executablePath } : {}),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
