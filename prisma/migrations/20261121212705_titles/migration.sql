-- CreateTable
CREATE TABLE "title_request" (
    "conversation_id" UUID NOT NULL,
    "is_wanted" BOOLEAN NOT NULL DEFAULT false,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "requested_at" TIMESTAMPTZ(3),
    "input_tokens" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "title_request_pkey" PRIMARY KEY ("conversation_id")
);

-- CreateIndex
CREATE INDEX "title_request_created_at_idx" ON "title_request"("created_at" ASC);

-- AddForeignKey
ALTER TABLE "title_request" ADD CONSTRAINT "title_request_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
