-- A message is written just before the turn that it belongs to, which names it in its turn: it is looked at when the transaction commits.
ALTER TABLE "message" ALTER CONSTRAINT "message_turn_id_fkey" DEFERRABLE INITIALLY DEFERRED;
