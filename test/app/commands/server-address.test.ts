import { expect, it } from 'vitest';
import { serverAddress } from '../../../src/app/commands/server-address.ts';
import { loadConfig } from '../../../src/app/config.ts';

it.each([
  [{}, 'http://127.0.0.1:4000'],
  [{ PORT: '8123' }, 'http://127.0.0.1:8123'],
  [{ PORT: '8123', HOST: '0.0.0.0' }, 'http://127.0.0.1:8123'],
  [{ HOST: 'chat.internal' }, 'http://chat.internal:4000'],
  [{ HOST: '::1' }, 'http://[::1]:4000'],
  [{ PORT: '0' }, 'http://127.0.0.1:<the port that it prints>'],
])('the seed and the token command name the address that the server of %j will have', (env, address) => {
  expect(serverAddress(loadConfig(env).http)).toBe(address);
});
