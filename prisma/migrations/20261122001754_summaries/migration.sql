-- What waits to be asked of a model is kept: only its name is wider.
ALTER TABLE "title_request" RENAME TO "side_request";
ALTER TABLE "side_request" ADD COLUMN "kind" "usage_kind" NOT NULL DEFAULT 'TITLE', ADD COLUMN "upto" INTEGER;
ALTER TABLE "side_request" DROP CONSTRAINT "title_request_pkey";
ALTER TABLE "side_request" ADD CONSTRAINT "side_request_pkey" PRIMARY KEY ("conversation_id", "kind");
ALTER TABLE "side_request" RENAME CONSTRAINT "title_request_conversation_id_fkey" TO "side_request_conversation_id_fkey";
ALTER INDEX "title_request_created_at_idx" RENAME TO "side_request_created_at_idx";

-- CreateTable
CREATE TABLE "context_summary" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "upto_message_id" UUID NOT NULL,
    "covers" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "tokens" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "context_summary_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "context_summary_conversation_id_created_at_idx" ON "context_summary"("conversation_id" ASC, "created_at" DESC);

-- CreateIndex
CREATE INDEX "context_summary_upto_message_id_idx" ON "context_summary"("upto_message_id" ASC);

-- AddForeignKey
ALTER TABLE "context_summary" ADD CONSTRAINT "context_summary_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "context_summary" ADD CONSTRAINT "context_summary_upto_message_id_fkey" FOREIGN KEY ("upto_message_id") REFERENCES "message"("id") ON DELETE CASCADE ON UPDATE CASCADE;
