import type { Config } from '../config.ts';
import { type Finding, note, ok, problem, within } from './finding.ts';

const what = 'Model endpoint';

type Settings = Config['providers']['openai'];

/** Whether the model server takes our key and has our models. Asks for its list, which costs nothing. */
export function checkModel(settings: Settings, patienceMs?: number): Promise<Finding[]> {
  if (settings.scripted)
    return Promise.resolve([
      ok(what, 'the scripted model, which needs nothing; OPENAI_API_KEY or OPENAI_BASE_URL makes it a real one'),
    ]);
  const base = (settings.baseUrl ?? 'https://api.openai.com/v1').replace(/\/+$/, '');
  const { host } = new URL(base);
  return within(
    `${what} ${host}`,
    `Check the network and OPENAI_BASE_URL: ${host} must answer at ${new URL(base).pathname}/models.`,
    () => look(base, settings),
    patienceMs,
  );
}

async function look(base: string, settings: Settings): Promise<Finding[]> {
  const name = `${what} ${new URL(base).host}`;
  const fault = 'Check the network and OPENAI_BASE_URL.';
  if (settings.apiKey && /[^\x21-\x7e]/.test(settings.apiKey.trim()))
    return [problem(name, 'the key holds a character that no key has', 'Copy OPENAI_API_KEY anew.')];
  const response = await ask(base, settings);
  if (typeof response === 'string') return [problem(name, response, fault)];
  if (response.status === 401 || response.status === 403)
    return [
      problem(name, `refuses our key (${response.status})`, 'Set OPENAI_API_KEY to one that is valid for this server.'),
    ];
  if (response.status === 404)
    return [note(name, 'answers, but has no list of models: whether the configured ones exist is not known')];
  if (!response.ok)
    return [
      problem(name, `answers with ${response.status}`, 'Try again later, or look at the status page of the provider.'),
    ];
  const ids = idsIn(await response.json().catch(() => null));
  if (!ids) return [problem(name, 'answers with something that is no list of models', fault)];
  return [ok(name, `answers${settings.apiKey ? ' and takes our key' : ''}`), modelFinding(ids, settings)];
}

/** The words of an error that fetch throws may hold the key, so only its code is told. */
async function ask(base: string, { apiKey, organization }: Settings): Promise<Response | string> {
  const headers = {
    ...(apiKey ? { authorization: `Bearer ${apiKey.trim()}` } : {}),
    ...(organization ? { 'openai-organization': organization } : {}),
  };
  try {
    return await fetch(`${base}/models`, { headers });
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    return `cannot be reached (${code ?? (error as Error).name})`;
  }
}

function idsIn(body: unknown): Set<string> | null {
  const { data } = (body ?? {}) as { data?: unknown };
  return Array.isArray(data) ? new Set(data.map((model: { id?: unknown } | null) => String(model?.id))) : null;
}

/** A compatible server may serve more than it lists, so only OpenAI's own list is taken at its word. */
function modelFinding(ids: ReadonlySet<string>, { models, baseUrl }: Settings): Finding {
  const missing = models.filter((model) => !ids.has(model));
  if (missing.length === 0) return ok('Models', models.join(', '));
  const says = `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not in the list of the server`;
  const some = [...ids].slice(0, 5).join(', ');
  return baseUrl === null
    ? problem('Models', says, 'Correct OPENAI_MODEL and OPENAI_MODELS.')
    : note(
        'Models',
        `${says}${some ? `, which begins: ${some}` : ', which is empty'}; correct OPENAI_MODEL unless it is served ` +
          'all the same',
      );
}
