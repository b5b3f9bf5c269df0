-- AlterTable
ALTER TABLE "turn_attempt" ADD COLUMN     "context" JSONB;
