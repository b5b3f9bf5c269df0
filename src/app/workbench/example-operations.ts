/** The operations that GraphiQL opens with. Tests hold each of them to the schema and to the limits of a query. */
export const examples = {
  send: `# 1. Send a message. The answer is durable from here on, whether or not anybody watches.
#    Open the tab "Stream" with the conversation's id and the cursor to see it come. Each run has an idempotency key of its own,
#    unless you write one into the variables: a message that is sent again with its key is the same message.
mutation Send($idempotencyKey: String!) {
  sendMessage(input: {
    conversation: { new: {} }
    content: { text: "How do I brew a good cup of tea?" }
    idempotencyKey: $idempotencyKey
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
  approvals: `# What waits until you allow it, on whatever device. Send this to make a tool wait:
#    Book me in [[call book_appointment {"topic": "teeth", "time": "14:00"}]] [[then]] [[say Done.]]
query Approvals {
  pendingApprovals {
    nodes { id summary risk argumentsSha256 expiresAt toolCall { toolName argumentsJson } conversation { id title } }
  }
}

# Put id and argumentsSha256 into the variables. Nothing but what was shown can be allowed; deny: true says no.
mutation Allow($approval: ID!, $argumentsSha256: String!) {
  decideApprovals(decisions: [{ approvalId: $approval, argumentsSha256: $argumentsSha256, decision: { approve: true } }]) {
    ... on ApprovalSuccess { resumed turn { id status } }
    ... on ApprovalStaleError { message current { status argumentsSha256 } }
    ... on ApiError { code message }
  }
}
`,
  ask: `# One answer from one request, for those who need no stream.
mutation Ask($idempotencyKey: String!) {
  sendMessage(input: {
    conversation: { new: { title: "A short question" } }
    content: { text: "What is a durable answer?" }
    idempotencyKey: $idempotencyKey
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

/** Stands for a key that the page makes anew at each run (page-script.ts). */
export const keyPlaceholder = 'new at each run';

const samples: Record<string, unknown> = {
  idempotencyKey: keyPlaceholder,
  conversation: '<paste an id>',
  after: null,
  approval: '<paste an id>',
  argumentsSha256: '<paste it, too>',
};

/** What the variables panel holds at first: each variable that the operations declare. */
function variablesOf(text: string): string | null {
  const names = Object.keys(samples).filter((name) => text.includes(`$${name}:`));
  return names.length === 0 ? null : JSON.stringify(Object.fromEntries(names.map((name) => [name, samples[name]])), null, 2);
}

export const exampleTabs = Object.values(examples).map((query) => ({ query, variables: variablesOf(query) }));
