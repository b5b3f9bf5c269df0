import { gql, InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';
import { expect, it } from 'vitest';

/** What the cache has of the list after a first and a second page, each of one conversation. */
function joined(fields: string, pageOf: (id: string) => object): unknown {
  const cache = new InMemoryCache({ typePolicies: { Query: { fields: { conversations: relayStylePagination() } } } });
  const query = gql`query List($after: String) { conversations(first: 1, after: $after) { ${fields} pageInfo { hasNextPage endCursor } } }`;
  for (const [id, after] of [['first'], ['second', 'first']] as const) {
    const pageInfo = { __typename: 'PageInfo', hasNextPage: id === 'first', endCursor: id };
    cache.writeQuery({
      query,
      variables: { after },
      data: { conversations: { __typename: 'ConversationConnection', ...pageOf(id), pageInfo } },
    });
  }
  return cache.readQuery({ query });
}
const conversation = (id: string) => ({ __typename: 'Conversation', id });

it('Apollo joins pages of edges, and loses the first page of nodes alone, as docs/clients/apollo.md says', () => {
  const edges = (id: string) => ({ edges: [{ __typename: 'ConversationEdge', cursor: id, node: conversation(id) }] });
  expect(joined('edges { cursor node { id } }', edges)).toMatchObject({
    conversations: { edges: [{ node: { id: 'first' } }, { node: { id: 'second' } }] },
  });
  const nodes = (id: string) => ({ nodes: [conversation(id)] });
  expect(joined('nodes { id }', nodes)).toMatchObject({ conversations: { nodes: [{ id: 'second' }] } });
});
