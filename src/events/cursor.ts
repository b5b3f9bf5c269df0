import { StaleCursorError, ValidationError } from '../kernel/errors.ts';

/** A position in the log of one conversation. */
export type LogPosition = { conversationId: string; epoch: number; seq: number };

const version = 1;
const size = 29;

/** 29 bytes as base64url: version, conversation, epoch, seq. Opaque to clients. */
export function encodeEventCursor({ conversationId, epoch, seq }: LogPosition): string {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt8(version, 0);
  bytes.write(conversationId.replaceAll('-', ''), 1, 'hex');
  bytes.writeUInt32BE(epoch, 17);
  bytes.writeBigUInt64BE(BigInt(seq), 21);
  return bytes.toString('base64url');
}

/** What `encodeEventCursor` made; anything else is refused by name. */
export function decodeEventCursor(cursor: string): LogPosition {
  const bytes = Buffer.from(cursor, 'base64url');
  const seq = bytes.length === size ? Number(bytes.readBigUInt64BE(21)) : Number.NaN;
  if (bytes.length !== size || bytes.readUInt8(0) !== version || bytes.toString('base64url') !== cursor || !Number.isSafeInteger(seq))
    throw ValidationError.of('after', 'is not an event cursor: pass a value of eventCursor, cursor or ConversationFrame.cursor unchanged');
  const hex = bytes.toString('hex', 1, 17);
  const conversationId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { conversationId, epoch: bytes.readUInt32BE(17), seq };
}

/** The position of a cursor that a client gave for this conversation. A cursor of another conversation is refused. */
export function positionIn(conversationId: string, cursor: string): LogPosition {
  const position = decodeEventCursor(cursor);
  if (position.conversationId !== conversationId) throw new StaleCursorError('This cursor belongs to another conversation.');
  return position;
}
