-- CreateTable
CREATE TABLE "worker" (
    "id" VARCHAR(100) NOT NULL,
    "host" VARCHAR(253) NOT NULL,
    "pid" INTEGER NOT NULL,
    "turns_limit" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "heartbeat_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "worker_pkey" PRIMARY KEY ("id")
);
