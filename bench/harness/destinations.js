/** The two places that messages go to, as tables and bars call them. */
export const DESTINATIONS = { none: 'to no queue', queue: 'to a durable queue, persistent' }
