/**
 * Models: what can be asked, shown to who asks. Owns no table. Promises: what a viewer cannot use comes last and says
 * why; the id of a model is the same in every process and for as long as its provider calls it by that name.
 */
export { createModels, type ListedModel, type Models } from './models.ts';
