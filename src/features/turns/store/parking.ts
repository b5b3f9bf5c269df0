import type { Tx } from '../../../platform/db.ts';

/** What makes a turn that waits for somebody one that any worker may take up; every other one stays as it is. */
export const goesOn = (waits = "status IN ('WAITING_APPROVAL', 'WAITING_CLIENT_TOOL')"): string =>
  `lease_until = CASE WHEN ${waits} THEN now() ELSE lease_until END, status = (CASE WHEN ${waits} THEN 'RUNNING' ` +
  'ELSE status::text END)::turn_status';

/** Lets a turn go on that has waited for somebody; one that does not wait stays as it is. */
export const resumeTurn = (tx: Tx, id: string): Promise<unknown> =>
  tx.query(`UPDATE turn SET ${goesOn()} WHERE id = $1::uuid`, [id]);

/**
 * Lets a turn wait for somebody, in nobody's hands; says whether it does. One that somebody has asked to stop does not
 * wait, but is taken up again to be ended.
 */
export async function parkTurn(
  tx: Tx,
  id: string,
  status: 'WAITING_APPROVAL' | 'WAITING_CLIENT_TOOL',
): Promise<boolean> {
  const [row] = await tx.query<{ waits: boolean }>(
    `UPDATE turn SET worker = NULL, status = (CASE WHEN stop_request IS NULL THEN $2 ELSE 'RUNNING' END)::turn_status,
       lease_until = CASE WHEN stop_request IS NULL THEN NULL ELSE now() END WHERE id = $1::uuid
         RETURNING stop_request IS NULL AS waits`,
    [id, status],
  );
  return row!.waits;
}
