/** The largest page that may be asked for, and the page of who asks for none. */
export const maxPageSize = 100;
export const defaultPageSize = 20;
