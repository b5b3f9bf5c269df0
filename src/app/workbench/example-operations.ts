/** The operations that GraphiQL opens with. Tests hold each of them to the schema and to the limits of a query. */
export const examples = {
  send: `# 1. Send a message. From then on a model
#    answers it, whether or not anybody
#    watches. Each run makes a key of its
#    own, unless you write one into the
#    variables: what is sent again with its
#    key is the same message.
mutation Send(
  $text: String!
  $idempotencyKey: String!
) {
  sendMessage(input: {
    conversation: { new: {} }
    content: { text: $text }
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
  stream: `# 2. Watch the answer to what was sent
#    last. "data" has the newest events;
#    what came so far, this page puts into
#    "extensions". Kill the server in
#    mid-answer and start it again: the
#    page goes on at the last cursor.
subscription Stream(
  $turn: ID!
  $after: EventCursor
) {
  turnEvents(turnId: $turn, after: $after) {
    cursor
    caughtUp
    events {
      __typename
      ... on EventMeta { seq }
      ... on TextDeltaEvent {
        messageId
        partIndex
        offset
        text
      }
      ... on PartReplacedEvent {
        messageId
        partIndex
        keepLength
      }
      ... on MessageCompletedEvent {
        finishReason
        contentLength
        contentSha256
      }
      ... on TurnFinishedEvent {
        status
        finishReason
        totals { totalTokens costUsd }
        error { code message }
      }
    }
  }
}
`,
  approvals: `# What waits until you allow it, on
# whatever device. To make a tool wait,
# send this as the text (in one line):
#
# Book me in [[call book_appointment
# {\\"topic\\": \\"teeth\\",
# \\"time\\": \\"14:00\\"}]]
# [[then]] [[say Done.]]
query Approvals {
  pendingApprovals {
    nodes {
      id
      summary
      risk
      argumentsSha256
      expiresAt
      toolCall { toolName argumentsJson }
      conversation { id title }
    }
  }
}
`,
  allow: `# Allows the first of what Approvals showed
# last, and nothing but that: the hash is
# of its arguments. { deny: true } says no.
# What came of it, Conversations shows.
mutation Allow(
  $approval: ID!
  $argumentsSha256: String!
) {
  decideApprovals(decisions: [{
    approvalId: $approval
    argumentsSha256: $argumentsSha256
    decision: { approve: true }
  }]) {
    ... on ApprovalSuccess { resumed turn { id status } }
    ... on ApprovalStaleError {
      message
      current { status argumentsSha256 }
    }
    ... on ApiError { code message }
  }
}
`,
  ask: `# One answer from one request, for those
# who need no stream.
mutation Ask(
  $text: String!
  $idempotencyKey: String!
) {
  sendMessage(input: {
    conversation: { new: { title: "A short question" } }
    content: { text: $text }
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
      messages(last: 2) {
        nodes { id role status content }
      }
    }
  }
}
`,
  stop: `# Stop what runs in the conversation of
# what was sent last. What there is of the
# answer is kept.
mutation Stop($conversation: ID!) {
  stopTurn(input: {
    target: { conversationId: $conversation }
  }) {
    ... on TurnSuccess {
      turn {
        status
        finishReason
        finalMessage { content }
      }
    }
    ... on ApiError { code message }
  }
}
`,
} as const;

/** What stands in a variable until the page puts something in its place at each run (page-script.ts). */
export const placeholders: Record<string, string> = {
  idempotencyKey: 'new at each run',
  turn: 'what was sent last',
  after: 'the cursor of that',
  conversation: 'what was sent last',
  approval: 'what Approvals showed first',
  argumentsSha256: 'the hash of that',
};

const samples: Record<string, string> = { text: 'How do I brew a good cup of tea?', ...placeholders };

/** What the variables panel holds at first: each variable that the operations declare. */
function variablesOf(text: string): string | null {
  const names = Object.keys(samples).filter((name) => text.includes(`$${name}:`));
  return names.length === 0
    ? null
    : JSON.stringify(Object.fromEntries(names.map((name) => [name, samples[name]])), null, 2);
}

export const exampleTabs = Object.values(examples).map((query) => ({ query, variables: variablesOf(query) }));
