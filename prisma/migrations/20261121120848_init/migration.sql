-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "role" AS ENUM ('ANONYMOUS', 'USER', 'OPERATOR', 'ADMIN');

-- CreateEnum
CREATE TYPE "conversation_status" AS ENUM ('ACTIVE', 'COMPLETED', 'ARCHIVED');

-- CreateEnum
CREATE TYPE "title_source" AS ENUM ('FALLBACK', 'GENERATED', 'USER');

-- CreateEnum
CREATE TYPE "message_role" AS ENUM ('USER', 'ASSISTANT', 'SYSTEM', 'TOOL');

-- CreateEnum
CREATE TYPE "message_status" AS ENUM ('PENDING', 'STREAMING', 'COMPLETE', 'STOPPED', 'FAILED', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "finish_reason" AS ENUM ('STOP', 'LENGTH', 'TOOL_CALLS', 'CONTENT_FILTER', 'USER_STOPPED', 'BUDGET', 'ERROR', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "turn_status" AS ENUM ('QUEUED', 'RUNNING', 'RECOVERING', 'WAITING_APPROVAL', 'WAITING_CLIENT_TOOL', 'COMPLETED', 'FAILED', 'CANCELLED', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "turn_trigger" AS ENUM ('SEND', 'REGENERATE', 'EDIT', 'RETRY', 'CONTINUE', 'APPROVAL', 'SCHEDULE');

-- CreateEnum
CREATE TYPE "attempt_outcome" AS ENUM ('RUNNING', 'COMPLETED', 'CRASHED', 'PROVIDER_ERROR', 'FENCED', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "recovery_mode" AS ENUM ('FRESH', 'CONTINUED_FROM_PARTIAL', 'REATTACHED_TO_PROVIDER');

-- CreateEnum
CREATE TYPE "usage_kind" AS ENUM ('CHAT', 'EMBEDDING', 'TITLE', 'SUMMARY', 'MODERATION');

-- CreateEnum
CREATE TYPE "usage_source" AS ENUM ('PROVIDER', 'ESTIMATED', 'RECONCILED', 'CACHE');

-- CreateTable
CREATE TABLE "user_account" (
    "id" UUID NOT NULL,
    "subject" VARCHAR(255) NOT NULL,
    "display_name" VARCHAR(200) NOT NULL,
    "email" VARCHAR(320),
    "roles" "role"[],
    "anonymous_id" UUID,
    "total_tokens_used" BIGINT NOT NULL DEFAULT 0,
    "last_used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversation" (
    "id" UUID NOT NULL,
    "session_id" VARCHAR(255) NOT NULL,
    "owner_id" UUID,
    "title" VARCHAR(200) NOT NULL,
    "title_source" "title_source" NOT NULL DEFAULT 'FALLBACK',
    "language" VARCHAR(5) NOT NULL,
    "provider" VARCHAR(100) NOT NULL,
    "model" VARCHAR(100) NOT NULL,
    "status" "conversation_status" NOT NULL DEFAULT 'ACTIVE',
    "system_prompt" TEXT NOT NULL DEFAULT '',
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "message_count" INTEGER NOT NULL DEFAULT 0,
    "last_ordinal" BIGINT NOT NULL DEFAULT 0,
    "total_tokens" BIGINT NOT NULL DEFAULT 0,
    "total_cost" DECIMAL(18,6) NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_message_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "conversation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "message" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "turn_id" UUID,
    "parent_id" UUID,
    "role" "message_role" NOT NULL,
    "status" "message_status" NOT NULL,
    "finish_reason" "finish_reason",
    "parts" JSONB NOT NULL DEFAULT '[]',
    "tool_call_id" VARCHAR(100),
    "ordinal" BIGINT NOT NULL,
    "model" VARCHAR(100),
    "token_count" INTEGER NOT NULL DEFAULT 0,
    "estimated_cost" DECIMAL(12,6),
    "request_id" VARCHAR(100),
    "response_time_ms" INTEGER,
    "time_to_first_token_ms" INTEGER,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "content_length" INTEGER NOT NULL DEFAULT 0,
    "content_sha256" CHAR(64),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "message_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversation_log" (
    "conversation_id" UUID NOT NULL,
    "epoch" INTEGER NOT NULL DEFAULT 1,
    "head" BIGINT NOT NULL DEFAULT 0,
    "writer_turn_id" UUID,
    "writer_fence" INTEGER,
    "writer_batch" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "conversation_log_pkey" PRIMARY KEY ("conversation_id")
);

-- CreateTable
CREATE TABLE "event" (
    "conversation_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "turn_id" UUID,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "body" JSON NOT NULL,

    CONSTRAINT "event_pkey" PRIMARY KEY ("conversation_id","seq")
);

-- CreateTable
CREATE TABLE "compaction" (
    "turn_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "compaction_pkey" PRIMARY KEY ("turn_id")
);

-- CreateTable
CREATE TABLE "turn" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "owner_id" UUID,
    "ordinal" BIGINT NOT NULL,
    "trigger" "turn_trigger" NOT NULL DEFAULT 'SEND',
    "status" "turn_status" NOT NULL DEFAULT 'QUEUED',
    "idempotency_key" VARCHAR(255) NOT NULL,
    "request_hash" CHAR(64) NOT NULL,
    "input_message_id" UUID,
    "provider" VARCHAR(100) NOT NULL,
    "model" VARCHAR(100) NOT NULL,
    "generation" JSONB NOT NULL DEFAULT '{}',
    "log_start" BIGINT NOT NULL,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "worker" VARCHAR(100),
    "lease_until" TIMESTAMPTZ(3),
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "stop_requested_at" TIMESTAMPTZ(3),
    "stop_request" JSONB,
    "finish_reason" "finish_reason",
    "error" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "first_token_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "turn_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "turn_attempt" (
    "turn_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "worker" VARCHAR(100) NOT NULL,
    "outcome" "attempt_outcome" NOT NULL DEFAULT 'RUNNING',
    "recovery" "recovery_mode" NOT NULL DEFAULT 'FRESH',
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "requested_at" TIMESTAMPTZ(3),
    "input_tokens" INTEGER NOT NULL DEFAULT 0,
    "ended_at" TIMESTAMPTZ(3),
    "provider_response_id" VARCHAR(200),
    "kept_characters" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "turn_attempt_pkey" PRIMARY KEY ("turn_id","number")
);

-- CreateTable
CREATE TABLE "usage" (
    "id" UUID NOT NULL,
    "user_id" UUID,
    "conversation_id" UUID,
    "message_id" UUID,
    "turn_id" UUID,
    "attempt" INTEGER,
    "session_id" VARCHAR(255),
    "kind" "usage_kind" NOT NULL,
    "source" "usage_source" NOT NULL,
    "provider" VARCHAR(100) NOT NULL,
    "model" VARCHAR(100) NOT NULL,
    "input_tokens" INTEGER NOT NULL DEFAULT 0,
    "cached_input_tokens" INTEGER NOT NULL DEFAULT 0,
    "cache_write_tokens" INTEGER NOT NULL DEFAULT 0,
    "output_tokens" INTEGER NOT NULL DEFAULT 0,
    "reasoning_tokens" INTEGER NOT NULL DEFAULT 0,
    "total_tokens" INTEGER NOT NULL DEFAULT 0,
    "cost_usd" DECIMAL(12,6),
    "request_id" VARCHAR(100),
    "response_time_ms" INTEGER,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_account_subject_key" ON "user_account"("subject");

-- CreateIndex
CREATE UNIQUE INDEX "user_account_anonymous_id_key" ON "user_account"("anonymous_id");

-- CreateIndex
CREATE UNIQUE INDEX "conversation_session_id_key" ON "conversation"("session_id");

-- CreateIndex
CREATE INDEX "conversation_owner_updated" ON "conversation"("owner_id", "updated_at" DESC, "id" DESC) WHERE (deleted_at IS NULL);

-- CreateIndex
CREATE INDEX "conversation_owner_created" ON "conversation"("owner_id", "created_at" DESC, "id" DESC) WHERE (deleted_at IS NULL);

-- CreateIndex
CREATE INDEX "conversation_owner_title" ON "conversation"("owner_id", "title", "id") WHERE (deleted_at IS NULL);

-- CreateIndex
CREATE INDEX "conversation_owner_cost" ON "conversation"("owner_id", "total_cost" DESC, "id" DESC) WHERE (deleted_at IS NULL);

-- CreateIndex
CREATE INDEX "conversation_deleted" ON "conversation"("deleted_at") WHERE (deleted_at IS NOT NULL);

-- CreateIndex
CREATE INDEX "message_turn_id_idx" ON "message"("turn_id");

-- CreateIndex
CREATE UNIQUE INDEX "message_conversation_id_ordinal_key" ON "message"("conversation_id", "ordinal");

-- CreateIndex
CREATE INDEX "event_turn_id_seq_idx" ON "event"("turn_id", "seq");

-- CreateIndex
CREATE INDEX "turn_unfinished" ON "turn"("conversation_id", "ordinal") WHERE (finished_at IS NULL);

-- CreateIndex
CREATE INDEX "turn_live" ON "turn"("created_at") WHERE (status IN ('RUNNING', 'RECOVERING'));

-- CreateIndex
CREATE INDEX "turn_input_message_id_idx" ON "turn"("input_message_id");

-- CreateIndex
CREATE INDEX "turn_queue" ON "turn"("created_at") WHERE (status = 'QUEUED');

-- CreateIndex
CREATE UNIQUE INDEX "turn_owner_id_idempotency_key_key" ON "turn"("owner_id", "idempotency_key");

-- CreateIndex
CREATE UNIQUE INDEX "turn_conversation_id_ordinal_key" ON "turn"("conversation_id", "ordinal");

-- CreateIndex
CREATE UNIQUE INDEX "turn_one_live" ON "turn"("conversation_id") WHERE (status IN ('RUNNING', 'RECOVERING', 'WAITING_APPROVAL', 'WAITING_CLIENT_TOOL'));

-- CreateIndex
CREATE INDEX "usage_conversation_id_id_idx" ON "usage"("conversation_id", "id");

-- CreateIndex
CREATE INDEX "usage_user_id_created_at_idx" ON "usage"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "usage_message_id_idx" ON "usage"("message_id");

-- CreateIndex
CREATE UNIQUE INDEX "usage_turn_id_attempt_kind_key" ON "usage"("turn_id", "attempt", "kind");

-- AddForeignKey
ALTER TABLE "conversation" ADD CONSTRAINT "conversation_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "message" ADD CONSTRAINT "message_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "message" ADD CONSTRAINT "message_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "conversation_log" ADD CONSTRAINT "conversation_log_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "event" ADD CONSTRAINT "event_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "event" ADD CONSTRAINT "event_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "compaction" ADD CONSTRAINT "compaction_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turn" ADD CONSTRAINT "turn_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turn" ADD CONSTRAINT "turn_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turn" ADD CONSTRAINT "turn_input_message_id_fkey" FOREIGN KEY ("input_message_id") REFERENCES "message"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turn_attempt" ADD CONSTRAINT "turn_attempt_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage" ADD CONSTRAINT "usage_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage" ADD CONSTRAINT "usage_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage" ADD CONSTRAINT "usage_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "message"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage" ADD CONSTRAINT "usage_turn_id_fkey" FOREIGN KEY ("turn_id") REFERENCES "turn"("id") ON DELETE SET NULL ON UPDATE CASCADE;
