-- AlterTable
ALTER TABLE "conversation" ADD COLUMN     "active_leaf_id" UUID;

-- AlterTable
ALTER TABLE "message" ADD COLUMN     "branch_id" UUID,
ADD COLUMN     "depth" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "turn" ADD COLUMN     "leaf_before_id" UUID;

-- The answers of turns that wait are there from their admission on, and readers are told of them.
WITH waiting AS (
  SELECT t.*, row_number() OVER (PARTITION BY t.conversation_id ORDER BY t.ordinal) AS place, gen_random_uuid() AS answer_id
  FROM turn t WHERE t.finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM message m WHERE m.turn_id = t.id AND m.role = 'ASSISTANT' AND m.status <> 'SUPERSEDED')
), begun AS (
  INSERT INTO message (id, conversation_id, turn_id, parent_id, role, status, ordinal, model, content_sha256)
  SELECT w.answer_id, w.conversation_id, w.id, w.input_message_id, 'ASSISTANT', 'PENDING', c.last_ordinal + w.place, w.model, encode(sha256(''), 'hex')
  FROM waiting w JOIN conversation c ON c.id = w.conversation_id
), told AS (
  INSERT INTO event (conversation_id, seq, turn_id, body)
  SELECT w.conversation_id, l.head + w.place, w.id, json_build_object('type', 'message-added', 'messageId', w.answer_id)
  FROM waiting w JOIN conversation_log l ON l.conversation_id = w.conversation_id
), sums AS (
  SELECT conversation_id, count(*) AS count FROM waiting GROUP BY conversation_id
), heads AS (
  UPDATE conversation_log l SET head = l.head + sums.count FROM sums WHERE l.conversation_id = sums.conversation_id
)
UPDATE conversation c SET last_ordinal = c.last_ordinal + sums.count, message_count = c.message_count + sums.count
FROM sums WHERE c.id = sums.conversation_id;

-- Every conversation had one branch, but answers had their places in the order in which they were begun: each now follows its question. Two
-- steps, because no two messages may have one place, not even for a moment.
UPDATE message m SET ordinal = -w.ordinal FROM (
  SELECT m.id, row_number() OVER (
    PARTITION BY m.conversation_id ORDER BY CASE m.role WHEN 'ASSISTANT' THEN coalesce(q.ordinal, m.ordinal) ELSE m.ordinal END, m.role = 'ASSISTANT', m.ordinal) AS ordinal
  FROM message m LEFT JOIN message q ON q.id = m.parent_id) w
WHERE m.id = w.id;
UPDATE message SET ordinal = -ordinal;
UPDATE message m SET branch_id = m.conversation_id, parent_id = coalesce(m.parent_id, (
  SELECT p.id FROM message p WHERE p.conversation_id = m.conversation_id AND p.ordinal < m.ordinal AND p.status <> 'SUPERSEDED'
  ORDER BY p.ordinal DESC LIMIT 1));
UPDATE message m SET depth = w.depth FROM (
  SELECT id, row_number() OVER (PARTITION BY conversation_id ORDER BY ordinal) - 1 AS depth FROM message WHERE status <> 'SUPERSEDED') w
WHERE m.id = w.id;
UPDATE conversation c SET active_leaf_id = (
  SELECT m.id FROM message m WHERE m.conversation_id = c.id AND m.status <> 'SUPERSEDED' ORDER BY m.ordinal DESC LIMIT 1);

-- AlterTable
ALTER TABLE "message" ALTER COLUMN "branch_id" SET NOT NULL;

-- CreateTable
CREATE TABLE "branch" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "parent_id" UUID,
    "fork_ordinal" BIGINT NOT NULL,

    CONSTRAINT "branch_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "branch_conversation_id_idx" ON "branch"("conversation_id" ASC);

-- CreateIndex
CREATE INDEX "branch_parent_id_fork_ordinal_idx" ON "branch"("parent_id" ASC, "fork_ordinal" ASC);

-- CreateIndex
CREATE UNIQUE INDEX "message_branch_id_ordinal_key" ON "message"("branch_id" ASC, "ordinal" ASC);

-- CreateIndex
CREATE INDEX "message_parent_id_idx" ON "message"("parent_id" ASC);

-- AddForeignKey
ALTER TABLE "branch" ADD CONSTRAINT "branch_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
