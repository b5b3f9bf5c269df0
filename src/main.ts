import { fileURLToPath } from 'node:url';
import { startApp } from './app/build-app.ts';
import { describeConfig } from './app/config/table.ts';
import { ConfigError, loadConfig } from './app/config.ts';
import { createLauncher, forOneTurn, onlyTurnOf } from './app/isolated/turn-process.ts';
import { StartError } from './app/start-error.ts';
import { welcome } from './app/welcome.ts';
import { DataDirInUseError } from './platform/data-dir-lock.ts';
import { createLogger } from './platform/logger.ts';
import { MigrationError } from './platform/migrate.ts';

try {
  const only = onlyTurnOf(process.argv);
  const loaded = loadConfig(process.env);
  const config = only ? forOneTurn(loaded) : loaded;
  const logger = createLogger(config.log);
  for (const line of describeConfig(config)) logger.debug(line);
  const app = await startApp(config, logger, {
    only,
    launchIsolated: only ? null : createLauncher(fileURLToPath(import.meta.url)),
  });
  // From the signal to the end, whatever hangs: whoever is killed by an orchestrator cannot say why.
  const { deadlineMs } = config.drain;
  let isEnding = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isEnding) process.exit(1); // the second time means now
    isEnding = true;
    if (!only) logger.info({ signal }, 'draining; once more ends at once');
    setTimeout(() => {
      logger.error(
        { waitingFor: app.closing },
        `could not drain in ${deadlineMs / 1_000} seconds; ends anyway, and others recover what it held`,
      );
      process.exit(1);
    }, deadlineMs);
    void app.close().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, 'could not drain');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  const end = (err?: unknown): void => {
    if (err) logger.error({ err }, 'the turn of this process was not begun');
    if (!isEnding) stop('SIGTERM');
  };
  void app.ran?.then(() => end(), end);
  // After the lines before: whoever reads the greeting may ask for the end at once.
  if (!only) for (const line of await welcome(config, app)) console.log(line);
} catch (error) {
  const isTold = [ConfigError, StartError, MigrationError, DataDirInUseError].some((kind) => error instanceof kind);
  if (!isTold) throw error;
  console.error((error as Error).message);
  process.exit(1);
}
