/** Names of the tools whose calls were made. */
export const toolsRun = (calls: readonly { toolName: string; attempts: number }[]): string[] => [
  ...new Set(calls.filter(({ attempts }) => attempts > 0).map(({ toolName }) => toolName)),
];
