-- A conversation in which nothing was said yet stands in the list by when it was made.
UPDATE "conversation" SET "last_message_at" = "created_at" WHERE "last_message_at" IS NULL;

-- AlterTable
ALTER TABLE "conversation" ADD COLUMN     "forked_from_id" UUID,
ALTER COLUMN "language" SET DATA TYPE VARCHAR(35),
ALTER COLUMN "last_message_at" SET NOT NULL,
ALTER COLUMN "last_message_at" SET DEFAULT CURRENT_TIMESTAMP;

-- CreateIndex
CREATE INDEX "conversation_owner_last_message" ON "conversation"("owner_id" ASC, "last_message_at" DESC, "id" DESC) WHERE (deleted_at IS NULL);
