/** The package itself, over the Unix domain socket that `sockets.js` gives it. */
export { connect } from './pooled-producer.js'
