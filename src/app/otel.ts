/**
 * Sends spans where the standard OTEL_* variables say: `node --import ./dist/app/otel.js dist/main.js`. The SDK is not
 * among Colloquy's own dependencies; whoever wants traces installs it.
 */
const { NodeSDK, resources } = await import('@opentelemetry/sdk-node').catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error(
    'Traces need the OpenTelemetry SDK, which is not installed: npm install --no-save @opentelemetry/sdk-node',
  );
  process.exit(1);
});

new NodeSDK({
  // What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before it.
  resource: resources.defaultResource().merge(resources.resourceFromAttributes({ 'service.name': 'colloquy' })),
  // Metrics are scraped and logs are printed: only spans go this way.
  metricReaders: [],
  logRecordProcessors: [],
}).start();
