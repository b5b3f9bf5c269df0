/**
 * What resolvers reach; built once for a process. Each room adds its own part to it in its `graph.ts`, and
 * `app/services.ts` fills it.
 */
export interface Services {
  /** Objects that one operation may ask for. */
  maxObjects: number;
}
