-- How large the contents of a row are, so that nobody has to read them to know it. By triggers, so that whatever writes a row cannot forget it.
-- Rows of before have none: theirs are measured when they are read. So nothing is rewritten here.
ALTER TABLE "message" ADD COLUMN "bytes" INTEGER;
ALTER TABLE "tool_call" ADD COLUMN "bytes" INTEGER;

CREATE FUNCTION "message_bytes"("parts" jsonb, "metadata" jsonb) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  $$ SELECT octet_length("parts"::text) + octet_length("metadata"::text) $$;

CREATE FUNCTION "tool_call_bytes"("arguments_text" text, "arguments" jsonb, "result" jsonb, "error_message" text) RETURNS integer
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  $$ SELECT octet_length("arguments_text") + coalesce(octet_length("arguments"::text), 0) + coalesce(octet_length("result"::text), 0)
       + coalesce(octet_length("error_message"), 0) $$;

CREATE FUNCTION "set_message_bytes"() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW."bytes" := "message_bytes"(NEW."parts", NEW."metadata"); RETURN NEW; END $$;
CREATE FUNCTION "set_tool_call_bytes"() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN
    NEW."bytes" := "tool_call_bytes"(NEW."arguments_text", NEW."arguments", NEW."result", NEW."error_message");
    RETURN NEW;
  END $$;

CREATE TRIGGER "message_bytes" BEFORE INSERT OR UPDATE OF "parts", "metadata" ON "message"
  FOR EACH ROW EXECUTE FUNCTION "set_message_bytes"();
CREATE TRIGGER "tool_call_bytes" BEFORE INSERT OR UPDATE OF "arguments_text", "arguments", "result", "error_message" ON "tool_call"
  FOR EACH ROW EXECUTE FUNCTION "set_tool_call_bytes"();
