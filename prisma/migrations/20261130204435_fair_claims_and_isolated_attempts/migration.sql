-- DropIndex
DROP INDEX "turn_live";

-- DropIndex
DROP INDEX "turn_queue";

-- AlterTable
ALTER TABLE "turn_attempt" ADD COLUMN     "isolated" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "progress" INTEGER;

-- CreateIndex
CREATE INDEX "turn_live" ON "turn"("owner_id" ASC, "created_at" ASC) WHERE (status = ANY (ARRAY['RUNNING'::turn_status, 'RECOVERING'::turn_status]));

-- CreateIndex
CREATE INDEX "turn_queue" ON "turn"("owner_id" ASC, "created_at" ASC) WHERE ((status = 'QUEUED'::turn_status) AND (NOT blocked));
