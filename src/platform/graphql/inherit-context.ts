/**
 * Seam: graphql-yoga 5.24.1, the object that resolvers get as their context: the very one that `onContextBuilding` is
 * shown. Its public `extendContext` copies values: it would ask for the viewer of everybody, also of somebody who only
 * wants to sign in, and would keep the answer beyond the end of the token. So what an operation may ask for is what its
 * object inherits, accessors and all. There is nothing to fall back on: an object that cannot inherit throws at the
 * first request, and one that is copied later has none of these properties.
 */
export function inheritContext(given: object, context: object): void {
  Object.setPrototypeOf(given, context);
}
