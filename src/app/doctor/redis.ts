import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openRedisCommands, openRedisSubscriber } from '../../platform/redis.ts';
import { type Finding, note, ok, reasonOf, within } from './finding.ts';

const what = 'Redis';

/** The server, and whether a message that is published arrives: that is all that Redis is needed for. */
export function checkRedis({ url, prefix }: { url: string; prefix: string }, patienceMs?: number): Promise<Finding[]> {
  let last: unknown = null;
  const onFault = (error: unknown) => {
    last = error;
  };
  const [commands, subscriber] = [openRedisCommands({ url, onFault }), openRedisSubscriber({ url, onFault })];
  const { host } = new URL(url);
  const without = 'Without Redis, leave REDIS_URL empty: processes then poll.';
  const fix = `Check that Redis runs at ${host}, and REDIS_URL. ${without}`;
  return within(
    what,
    fix,
    async () => {
      await Promise.all([isReady(commands), isReady(subscriber)]);
      const info = await commands.info();
      const channel = `${prefix}:doctor:${randomUUID()}`;
      await subscriber.subscribe(channel);
      const arrived = once(subscriber, 'message');
      const start = performance.now();
      await commands.publish(channel, 'are you well');
      await arrived;
      const ms = (performance.now() - start).toFixed(1);
      return [ok(what, `${factOf(info, 'redis_version')}, a message arrives in ${ms} ms`), ...memoryNotes(info)];
    },
    patienceMs,
  )
    .then(([first, ...others]) => [
      last && first!.state === 'problem' ? { ...first!, says: reasonOf(last) } : first!,
      ...others,
    ])
    .finally(() => {
      commands.disconnect();
      subscriber.disconnect();
    });
}

const factOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim();

/** Nothing of ours is stored there, so any policy will do; whoever shares the server wants to know. */
function memoryNotes(info: string): Finding[] {
  const [limit, policy] = [factOf(info, 'maxmemory_human'), factOf(info, 'maxmemory_policy')];
  if (!policy) return [];
  const bound = limit && limit !== '0B' ? limit : 'no limit';
  return [note('Redis memory', `${bound}, policy ${policy}; any will do, since nothing is stored there`)];
}

type Connection = ReturnType<typeof openRedisCommands>;

/** A wrong password or a refused connection is told by an event, and tried again in vain. */
async function isReady(connection: Connection): Promise<void> {
  if (connection.status !== 'ready') await once(connection, 'ready'); // an error on the way rejects
}
