import { hostNames, proxies, webOrigins, webUrl } from './variable-kinds.ts';

/** Where clients find the server, by which proxies, and the pages of which origins may call it. */
export const addressVariables = {
  PUBLIC_URL: webUrl('https://chat.example.com')
    .optional()
    .describe(
      'Where clients find this server. Its host is answered to, and pages of its origin may open sockets, whatever ' +
        'a proxy does to Host.',
    ),
  ALLOWED_HOSTS: hostNames
    .default([])
    .describe(
      'Further names, separated by commas, that requests may have as Host, such as *.example.com. Without both, a ' +
        'server on loopback answers to names of loopback, any other to every name.',
    ),
  TRUSTED_PROXIES: proxies
    .default([])
    .describe(
      'Addresses and networks of proxies, separated by commas, or loopback: limits count clients by what these put ' +
        'into X-Forwarded-For.',
    ),
  CORS_ORIGIN: webOrigins
    .default([])
    .describe(
      'Origins, separated by commas, whose pages may call this server; its own may in any case. On loopback and ' +
        'without NODE_ENV=production pages of loopback may, too.',
    ),
};
