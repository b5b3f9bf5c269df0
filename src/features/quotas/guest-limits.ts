import type { ModelInfo } from '../../contracts/model-provider.ts';
import { isGuest, type Viewer } from '../../contracts/viewer.ts';
import { ForbiddenError } from '../../kernel/errors.ts';

type Options = {
  /** The models that guests may use. */
  models: readonly string[];
  /** Tokens that one answer for a guest may have. */
  maxTokens: number;
};

export type GuestLimits = {
  /**
   * A model as this viewer may use it: for a guest with a smaller limit of its output. Throws a `ForbiddenError` where
   * a guest may not.
   */
  bound(viewer: Pick<Viewer, 'roles'>, info: ModelInfo): ModelInfo;
};

/** What somebody may spend who has said nothing about themselves. */
export const createGuestLimits = ({ models, maxTokens }: Options): GuestLimits => ({
  bound(viewer, info) {
    if (!isGuest(viewer)) return info;
    if (!models.includes(info.id))
      throw new ForbiddenError(`Guests cannot use ${info.id} here: sign in, or choose ${models.join(' or ')}.`);
    const outputLimit = Math.min(info.maxOutputTokens, maxTokens);
    return { ...info, maxOutputTokens: outputLimit, outputLimit };
  },
});
