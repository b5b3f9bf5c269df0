import type { IncomingMessage } from 'node:http';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Viewers } from '../../features/accounts/index.ts';
import { refuseLongDocument } from '../../graph/limits/index.ts';
import type { MaskError } from '../../graph/mask-errors.ts';
import type { AnswerDelivery } from '../front/context.ts';
import { messageLimits } from './limits.ts';
import { paramsOfAddress, paramsOfBody } from './params.ts';

/** What the HTTP server says of a request, and what is found out about who sent it. */
export type Requested = {
  requestId?: string;
  /** The address of the client, as limits count it. */
  address?: string;
  /** The origin of the page that asks, where it may read the answer. */
  allowedOrigin?: string | null;
  /** How the answer goes out. */
  delivery?: AnswerDelivery;
  /** Called when it is known who asks. */
  identified?: (viewer: Viewer) => void;
  /** Null for somebody without a token. */
  caller?: Viewer | null;
};

type Deps = { viewers: Viewers; maxObjects: number; mask: MaskError };

/**
 * Finds out who asks before anything of the request is read: what it may hold depends on that. A token that is not good
 * is refused with its body unread.
 */
export const useCaller = ({ viewers, maxObjects, mask }: Deps): Plugin<object, Requested> => ({
  async onRequestParse({ request, requestParser, serverContext, setRequestParser }) {
    if (!requestParser) return; // of no type that is read: 415
    const viewer = await viewers.fromHeader(request.headers.get('authorization')).catch((error: unknown) => {
      throw mask(error, serverContext.requestId);
    });
    if (viewer) serverContext.identified?.(viewer);
    serverContext.caller = viewer;
    const { req } = serverContext as { req?: IncomingMessage };
    if (!req) return; // made inside of this process
    const limits = messageLimits(viewer, maxObjects);
    if (request.method === 'GET') setRequestParser(() => paramsOfAddress(request.url, limits));
    else setRequestParser(() => paramsOfBody(req, limits));
  },
  onParams({ params, context }) {
    if (typeof params.query === 'string')
      refuseLongDocument(params.query, messageLimits(context.caller ?? null, maxObjects).tokens);
  },
});
