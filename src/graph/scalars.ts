import { DateTimeResolver, JSONResolver } from 'graphql-scalars';
import { builder } from './builder.ts';

builder.addScalarType('DateTime', DateTimeResolver, {
  description: 'A moment as an RFC 3339 string in UTC, e.g. "2026-11-21T10:08:44.000Z".',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
});
builder.addScalarType('JSON', JSONResolver, {
  description: 'Any JSON value; used only where the shape is truly open.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
});

const text = (value: unknown): string => {
  if (typeof value === 'string') return value;
  throw new TypeError('must be a string');
};

builder.scalarType('Decimal', {
  description: 'An exact decimal number as a string, e.g. "0.001350". Money is never a float.',
  serialize: String,
  parseValue: text,
});

builder.scalarType('BigInt', {
  description: 'An integer that may exceed 2^31-1 (lifetime totals, sequence numbers), as a string of digits.',
  serialize: String,
  parseValue: text,
});

builder.scalarType('EventCursor', {
  description:
    'An opaque position in the event log of one conversation. Keep it, pass it back as `after`; never take it apart.',
  serialize: String,
  parseValue: text,
});
