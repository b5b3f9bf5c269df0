import { v5 as uuidv5 } from 'uuid';
import type { ModelInfo } from '../../contracts/model-provider.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { AppError } from '../../kernel/errors.ts';

/** A model as one viewer sees it. */
export type ListedModel = Omit<ModelInfo, 'id'> & {
  /** Made of its provider and its name, so that no table is needed to find it again. */
  id: string;
  /** As its provider calls it. */
  name: string;
  /** Whether it answers where nobody names a model. */
  isDefault: boolean;
  /** Why this viewer cannot use it; null where they can. */
  unavailableReason: string | null;
};

type Deps = {
  /** What is known here, in a stable order. */
  list(): readonly ModelInfo[];
  /** The name of the model that answers where none is named. */
  defaultModel: string;
  /** Throws the refusal that a viewer would get who asked this model. */
  refuse(viewer: Viewer, model: ModelInfo): void;
};

export type Models = {
  /** All that are known, those first that the viewer can use. */
  list(viewer: Viewer): ListedModel[];
};

/** Never changed: the ids of all models are made with it. */
const namespace = '6b0c9f8e-53a1-4a53-9d0b-2b7c1f0f6d11';

export const createModels = ({ list, defaultModel, refuse }: Deps): Models => {
  const refusalOf = (viewer: Viewer, model: ModelInfo): string | null => {
    try {
      refuse(viewer, model);
      return null;
    } catch (error) {
      if (error instanceof AppError) return error.message;
      throw error;
    }
  };
  const listed = (viewer: Viewer, model: ModelInfo): ListedModel => ({
    ...model,
    id: uuidv5(`${model.provider}/${model.id}`, namespace),
    name: model.id,
    isDefault: model.configured && model.id === defaultModel,
    unavailableReason: refusalOf(viewer, model),
  });
  return {
    list(viewer) {
      const all = list().map((model) => listed(viewer, model));
      const isUsable = ({ unavailableReason }: ListedModel): boolean => unavailableReason === null;
      return [...all.filter(isUsable), ...all.filter((model) => !isUsable(model))];
    },
  };
};
