/** The operations that GraphiQL opens with. Tests hold each of them to the schema and to the limits of a query. */
export const examples = {
  send: `# 1. Send a message. The answer is durable from here on, whether or not anybody watches.
#    Open the tab "Stream" with the conversation's id and the cursor to see it come.
mutation Send {
  sendMessage(input: {
    conversation: { new: {} }
    content: { text: "How do I brew a good cup of tea?" }
    idempotencyKey: "change-me-for-each-message-1"
  }) {
    __typename
    ... on SendMessageSuccess {
      cursor
      deduplicated
      conversation { id title }
      turn { id status }
    }
    ... on ApiError { code message }
  }
}
`,
  stream: `# 2. Watch it. Kill the server in mid-answer, start it again, and run this again with the last cursor that you saw:
#    nothing is missing and nothing comes twice. Without \`after\` it begins with the present state.
subscription Stream($conversation: ID!, $after: EventCursor) {
  conversationEvents(conversationId: $conversation, after: $after) {
    cursor
    caughtUp
    events {
      __typename
      ... on EventMeta { seq turnId }
      ... on TextDeltaEvent { messageId partIndex offset text }
      ... on PartReplacedEvent { messageId partIndex keepLength }
      ... on MessageCompletedEvent { finishReason contentLength contentSha256 }
      ... on TurnFinishedEvent { status finishReason totals { totalTokens costUsd } error { code message } }
    }
  }
}
`,
  ask: `# One answer from one request, for those who need no stream.
mutation Ask {
  sendMessage(input: {
    conversation: { new: { title: "A short question" } }
    content: { text: "What is a durable answer?" }
    idempotencyKey: "change-me-for-each-message-2"
    waitFor: FINISHED
  }) {
    ... on SendMessageSuccess {
      turn {
        status
        finalMessage { content contentSha256 }
        usageTotals { totalTokens costUsd }
        attempts { number outcome recovery }
      }
    }
    ... on ApiError { code message }
  }
}
`,
  read: `# What there is.
query Conversations {
  viewer { user { id displayName } tokenExpiresAt }
  conversations(first: 10) {
    totalCount
    nodes {
      id
      title
      messageCount
      totalTokens
      totalCost
      activeTurn { id status }
      messages(last: 2) { nodes { id role status content } }
    }
  }
}
`,
  stop: `# Stop what runs in a conversation. What is there of the answer is kept.
mutation Stop($conversation: ID!) {
  stopTurn(input: { target: { conversationId: $conversation } }) {
    ... on TurnSuccess { turn { status finishReason finalMessage { content } } }
    ... on ApiError { code message }
  }
}
`,
} as const;

const variables = JSON.stringify({ conversation: '<paste an id>', after: null }, null, 2);

export const exampleTabs = Object.values(examples).map((query) => ({ query, variables: query.includes('$') ? variables : null }));
