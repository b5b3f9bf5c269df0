import { startClients } from './clients.ts';
import { setStage } from './stage.ts';
import { cpuOf, cpuOfAll } from './processes.ts';
const stage = await setStage();
const [name, streams, tokens, speed, prof] = process.argv.slice(2) as [any, string, string, string, string];
try {
  const args = prof ? ['--cpu-prof', '--cpu-prof-dir', prof] : [];
  const server = name==='relay'? await stage.startRelay(args): await stage.startColloquy(args);
  const t = { name, url: server.ready.url, token: await stage.token('x') };
  const clients = await startClients();
  await clients.run('streams', { target: t, streams: 20, tokens: 100, speed: 500 });
  const a = cpuOf(server.pid), b = cpuOfAll('postgres'), m = cpuOf(stage.model.pid);
  const r = await clients.run('streams', { target: t, streams: +streams, tokens: +tokens, speed: +speed });
  const n = +streams * +tokens / 1e6;
  console.log(name, 'cpu/M', ((cpuOf(server.pid)-a)/n).toFixed(1), 'pg/M', ((cpuOfAll('postgres')-b)/n).toFixed(1), 'model/M', ((cpuOf(stage.model.pid)-m)/n).toFixed(1), 'perSec', r.perSecond.toFixed(0), 'p50', r.p50.toFixed(1), 'p99', r.p99.toFixed(1), 'missing', r.missing, r.faults);
  clients.stop();
  await server.stop();
} finally { await stage.close(); }
process.exit(0);
