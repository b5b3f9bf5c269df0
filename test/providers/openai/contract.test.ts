import { textIn } from '../../../src/contracts/model-message.ts';
import { startScriptedServer } from '../../../src/providers/index.ts';
import { answerTo } from '../../../src/providers/scripted/answer.ts';
import { keepsTheModelContract } from '../../contracts/model-provider.ts';
import { ask, providerAt } from '../collect.ts';

keepsTheModelContract('OpenAI over HTTP', async () => {
  const server = await startScriptedServer({ tokensPerSecond: 0 });
  const answer = ask('What is a lease?');
  return {
    provider: providerAt(server.url, { idleTimeoutMs: 150, firstTokenTimeoutMs: 2_000 }),
    requests: {
      answer,
      long: ask('[[tokens 2000]] [[speed 4000]]'),
      refused: ask('[[fail 500]]'),
      cutShort: ask('[[length]]'),
      withoutReason: ask('[[no-finish done]]'),
      broken: ask('[[cut 5]]'),
      stalled: ask('[[stall 5]]'),
    },
    calls: () => ({ made: server.calls.length, aborted: server.calls.filter(({ aborted }) => aborted).length }),
    expected: answerTo(answer.messages.map((message) => ({ role: message.role, content: textIn(message) }))),
    close: server.close,
  };
});
