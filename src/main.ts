import { startApp } from './app/build-app.ts';
import { ConfigError, describeConfig, loadConfig } from './app/config.ts';
import { StartError } from './app/start-error.ts';
import { welcome } from './app/welcome.ts';
import { DataDirInUseError } from './platform/data-dir-lock.ts';
import { createLogger } from './platform/logger.ts';
import { MigrationError } from './platform/migrate.ts';

try {
  const config = loadConfig(process.env);
  const logger = createLogger(config.log);
  for (const line of describeConfig(config)) logger.debug(line);
  const app = await startApp(config, logger);
  for (const line of await welcome(config, app)) console.log(line);

  let asked = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(1); // the second time means now
    asked = true;
    logger.info({ signal }, 'draining; once more ends at once');
    void app.close().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, 'could not drain');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
} catch (error) {
  const isTold = [ConfigError, StartError, MigrationError, DataDirInUseError].some((kind) => error instanceof kind);
  if (!isTold) throw error;
  console.error((error as Error).message);
  process.exit(1);
}
