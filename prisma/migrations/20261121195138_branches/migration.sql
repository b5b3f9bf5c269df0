-- AlterTable
ALTER TABLE "conversation" ADD COLUMN     "active_leaf_id" UUID;

-- AlterTable
ALTER TABLE "message" ADD COLUMN     "branch_id" UUID,
ADD COLUMN     "depth" INTEGER NOT NULL DEFAULT 0;

-- The answers of turns that wait are there from their admission on.
WITH waiting AS (
  SELECT t.*, row_number() OVER (PARTITION BY t.conversation_id ORDER BY t.ordinal) AS place
  FROM turn t WHERE t.finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM message m WHERE m.turn_id = t.id AND m.role = 'ASSISTANT')
), begun AS (
  INSERT INTO message (id, conversation_id, turn_id, role, status, ordinal, model, content_sha256)
  SELECT gen_random_uuid(), w.conversation_id, w.id, 'ASSISTANT', 'PENDING', c.last_ordinal + w.place, w.model, encode(sha256(''), 'hex')
  FROM waiting w JOIN conversation c ON c.id = w.conversation_id
)
UPDATE conversation c SET last_ordinal = c.last_ordinal + n.count, message_count = c.message_count + n.count
FROM (SELECT conversation_id, count(*) AS count FROM waiting GROUP BY conversation_id) n WHERE c.id = n.conversation_id;

-- Every conversation had one branch: each message follows the one before it.
UPDATE message m SET branch_id = m.conversation_id, parent_id = (
  SELECT p.id FROM message p WHERE p.conversation_id = m.conversation_id AND p.ordinal < m.ordinal AND p.status <> 'SUPERSEDED'
  ORDER BY p.ordinal DESC LIMIT 1);
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
CREATE UNIQUE INDEX "message_branch_id_ordinal_key" ON "message"("branch_id" ASC, "ordinal" ASC);

-- CreateIndex
CREATE INDEX "message_parent_id_idx" ON "message"("parent_id" ASC);

-- AddForeignKey
ALTER TABLE "branch" ADD CONSTRAINT "branch_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
