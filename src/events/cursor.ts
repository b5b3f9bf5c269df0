import { StaleCursorError, ValidationError } from '../kernel/errors.ts';

/** A position in the log of one conversation. */
export type LogPosition = { conversationId: string; epoch: number; seq: number };

const version = 1;
const size = 29;

/** Each frame has a cursor: they are all written in the one place. */
const scratch = Buffer.alloc(size);
const places = [
  [0, 8, 1],
  [9, 13, 5],
  [14, 18, 7],
  [19, 23, 9],
  [24, 36, 11],
] as const;

/** 29 bytes as base64url: version, conversation, epoch, seq. Opaque to clients. */
export function encodeEventCursor({ conversationId, epoch, seq }: LogPosition): string {
  scratch.writeUInt8(version, 0);
  for (const [from, to, at] of places) scratch.write(conversationId.slice(from, to), at, 'hex');
  scratch.writeUInt32BE(epoch, 17);
  scratch.writeUInt32BE(Math.floor(seq / 2 ** 32), 21);
  scratch.writeUInt32BE(seq % 2 ** 32, 25);
  return scratch.toString('base64url');
}

/** What `encodeEventCursor` made; anything else is refused by name. */
export function decodeEventCursor(cursor: string): LogPosition {
  const bytes = Buffer.from(cursor, 'base64url');
  const seq = bytes.length === size ? Number(bytes.readBigUInt64BE(21)) : Number.NaN;
  if (
    bytes.length !== size ||
    bytes.readUInt8(0) !== version ||
    bytes.toString('base64url') !== cursor ||
    !Number.isSafeInteger(seq)
  )
    throw ValidationError.of(
      'after',
      'is not an event cursor: pass a value of eventCursor, cursor or ConversationFrame.cursor unchanged',
    );
  const hex = bytes.toString('hex', 1, 17);
  const conversationId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { conversationId, epoch: bytes.readUInt32BE(17), seq };
}

/** The position of a cursor that a client gave for this conversation. A cursor of another conversation is refused. */
export function positionIn(conversationId: string, cursor: string): LogPosition {
  const position = decodeEventCursor(cursor);
  if (position.conversationId !== conversationId)
    throw new StaleCursorError('This cursor belongs to another conversation.');
  return position;
}
