const secretVariables = new Set(['JWT_SECRET', 'OPENAI_API_KEY', 'DATABASE_URL', 'REDIS_URL']);

/**
 * A refused value as a person may see it on a terminal or in a log. An address is not shown, since a mistyped one may
 * still hold a password.
 */
export function displayValue(name: string, value: string): string {
  if (secretVariables.has(name) || /[@?]/.test(value)) return `${Buffer.byteLength(value)} bytes (not shown)`;
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}
