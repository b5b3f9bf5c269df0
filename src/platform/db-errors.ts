import { Prisma } from '../generated/prisma/client.ts';

/** Whether the database refused a row because its key is taken. */
export const isUniqueViolation = (error: unknown): boolean => error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
