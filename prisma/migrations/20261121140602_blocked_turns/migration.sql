-- DropIndex
DROP INDEX "turn_queue";

-- AlterTable
ALTER TABLE "turn" ADD COLUMN     "blocked" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "turn_queue" ON "turn"("created_at" ASC) WHERE ((status = 'QUEUED'::turn_status) AND (NOT blocked));
