-- CreateEnum
CREATE TYPE "approval_status" AS ENUM ('PENDING', 'APPROVED', 'DENIED', 'EXPIRED', 'AUTO_DENIED');

-- CreateEnum
CREATE TYPE "risk" AS ENUM ('LOW', 'MEDIUM', 'HIGH');

-- CreateEnum
CREATE TYPE "tool_call_status" AS ENUM ('STREAMING_ARGUMENTS', 'PENDING_APPROVAL', 'PENDING_CLIENT', 'READY', 'RUNNING', 'SUCCEEDED', 'FAILED', 'DENIED', 'CANCELLED', 'OUTCOME_UNKNOWN');

-- CreateEnum
CREATE TYPE "tool_replay" AS ENUM ('READ_ONLY', 'IDEMPOTENT', 'NEVER_REPLAY');

-- AlterTable
ALTER TABLE "turn" ADD COLUMN     "steered_at" INTEGER,
ADD COLUMN     "steers_id" UUID;

-- CreateTable
CREATE TABLE "approval" (
    "id" UUID NOT NULL,
    "tool_call_id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "owner_id" UUID,
    "status" "approval_status" NOT NULL DEFAULT 'PENDING',
    "summary" TEXT NOT NULL,
    "risk" "risk" NOT NULL,
    "arguments_sha256" CHAR(64) NOT NULL,
    "edited_arguments" JSONB,
    "requested_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "decided_at" TIMESTAMPTZ(3),
    "decided_by_id" UUID,
    "reason" TEXT,

    CONSTRAINT "approval_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tool_call" (
    "id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "turn_id" UUID,
    "step" INTEGER NOT NULL,
    "call_id" VARCHAR(100) NOT NULL,
    "tool_name" VARCHAR(100) NOT NULL,
    "arguments_text" TEXT NOT NULL DEFAULT '',
    "arguments" JSONB,
    "status" "tool_call_status" NOT NULL DEFAULT 'STREAMING_ARGUMENTS',
    "replay" "tool_replay" NOT NULL DEFAULT 'READ_ONLY',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "result" JSONB,
    "error_code" VARCHAR(40),
    "error_message" TEXT,
    "result_index" INTEGER,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "tool_call_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "approval_asked" ON "approval"("owner_id" ASC, "id" ASC) WHERE (status = 'PENDING'::approval_status);

-- CreateIndex
CREATE INDEX "approval_conversation_id_idx" ON "approval"("conversation_id" ASC);

-- CreateIndex
CREATE INDEX "approval_owner_id_idx" ON "approval"("owner_id" ASC);

-- CreateIndex
CREATE INDEX "approval_decided_by_id_idx" ON "approval"("decided_by_id" ASC);

-- CreateIndex
CREATE INDEX "approval_expiry" ON "approval"("expires_at" ASC) WHERE (status = 'PENDING'::approval_status);

-- CreateIndex
CREATE INDEX "approval_pending" ON "approval"("conversation_id" ASC, "id" ASC) WHERE (status = 'PENDING'::approval_status);

-- CreateIndex
CREATE UNIQUE INDEX "approval_tool_call_id_key" ON "approval"("tool_call_id" ASC);

-- CreateIndex
CREATE UNIQUE INDEX "tool_call_message_id_number_key" ON "tool_call"("message_id" ASC, "number" ASC);

-- CreateIndex
CREATE INDEX "tool_call_turn_id_idx" ON "tool_call"("turn_id" ASC);

-- CreateIndex
CREATE INDEX "turn_steers" ON "turn"("steers_id" ASC) WHERE (steers_id IS NOT NULL);

-- AddForeignKey
ALTER TABLE "approval" ADD CONSTRAINT "approval_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "approval" ADD CONSTRAINT "approval_decided_by_id_fkey" FOREIGN KEY ("decided_by_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "approval" ADD CONSTRAINT "approval_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "approval" ADD CONSTRAINT "approval_tool_call_id_fkey" FOREIGN KEY ("tool_call_id") REFERENCES "tool_call"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tool_call" ADD CONSTRAINT "tool_call_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "message"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tool_call" ADD CONSTRAINT "tool_call_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE CASCADE ON UPDATE CASCADE;
