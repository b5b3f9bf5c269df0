/** The scripted model in a process of its own, for both targets. */
import { startScriptedServer } from '../src/providers/index.ts';

const { url } = await startScriptedServer({ tokensPerSecond: 50, keepCalls: 1 });
process.send!({ url });
