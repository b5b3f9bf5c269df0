import type { ModelEvent } from '../../contracts/model-event.ts';
import { storable } from '../../kernel/text.ts';

type CallEvent = Extract<ModelEvent, { kind: 'tool-call' | 'tool-arguments' }>;
/** Reads what one delta says of calls. */
export type CallReader = (given: unknown) => CallEvent[];

/** More calls of one answer are not told apart from garbage. */
const maxCalls = 1_000;

/**
 * Calls come in pieces: the first names the call, the others bring its arguments, found by the index. Compatible
 * servers leave the index out, give every call the same, or send the arguments as an object: a new id begins a new
 * call.
 */
export function createCallReader(): CallReader {
  const open = new Map<number, { number: number; id: string }>();
  let count = 0;

  function addPiece(piece: Piece): CallEvent[] {
    const known = open.get(piece.at);
    const begins = piece.name !== '' && (!known || (piece.id !== '' && piece.id !== known.id));
    if (!begins) return known ? argumentsOf(known.number, piece.text) : [];
    if (count >= maxCalls) return [];
    const call = { number: count++, id: piece.id };
    open.set(piece.at, call);
    return [
      { kind: 'tool-call', index: call.number, callId: piece.id, name: piece.name },
      ...argumentsOf(call.number, piece.text),
    ];
  }

  return (given) =>
    Array.isArray(given) ? (given as unknown[]).flatMap((entry, position) => addPiece(pieceOf(entry, position))) : [];
}

type Piece = { at: number; id: string; name: string; text: string };

/** One entry as it can be used; whatever it is not is empty. */
function pieceOf(entry: unknown, position: number): Piece {
  const { index, id, function: called } = within(entry);
  const { name, arguments: given } = within(called);
  return { at: typeof index === 'number' ? index : position, id: named(id), name: named(name), text: textOf(given) };
}

const argumentsOf = (index: number, text: string): CallEvent[] =>
  text ? [{ kind: 'tool-arguments', index, text }] : [];
const within = (given: unknown): Record<string, unknown> =>
  typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
/** Names and ids as they can be stored. */
const named = (given: unknown): string => (typeof given === 'string' ? storable(given).slice(0, 100) : '');
const textOf = (given: unknown): string =>
  typeof given === 'object' && given !== null ? JSON.stringify(given) : typeof given === 'string' ? given : '';
