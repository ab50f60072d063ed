import { configureGlobal } from 'fast-check'

// That a generated case fails is enough: a smaller one that fails too is of no use here.
configureGlobal({ endOnFailure: true })
