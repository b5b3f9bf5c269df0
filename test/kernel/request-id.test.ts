import { expect, it } from 'vitest';
import { breathe, defer } from '../../src/kernel/async.ts';
import { currentRequestId, withRequestId } from '../../src/kernel/request-id.ts';

it('is found by what a request causes, also later, beside other requests', async () => {
  const [first, second] = [defer<void>(), defer<void>()];
  const seen: (string | null)[] = [];
  const endFirst = withRequestId('first', async () => {
    await first.promise;
    seen.push(currentRequestId());
  });
  const endSecond = withRequestId('second', async () => {
    await second.promise;
    seen.push(currentRequestId());
  });
  first.resolve();
  await breathe();
  endFirst();
  endFirst(); // however often
  second.resolve();
  await breathe();
  endSecond();
  expect(seen).toEqual(['first', 'second']);
});

it('is followed no further once the last request has ended', async () => {
  const gone = defer<void>();
  let seen: string | null = 'nothing yet';
  const end = withRequestId('only', async () => {
    await gone.promise;
    seen = currentRequestId();
  });
  end();
  gone.resolve();
  await breathe();
  expect(seen).toBeNull();
  expect(currentRequestId()).toBeNull();
});
