-- DropForeignKey
ALTER TABLE "event" DROP CONSTRAINT "event_conversation_id_fkey";

-- DropForeignKey
ALTER TABLE "event" DROP CONSTRAINT "event_turn_id_fkey";
