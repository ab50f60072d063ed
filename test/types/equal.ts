/** `true` when both are the same type, optional and readonly included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Does not compile unless the type argument is `true`. */
export declare function holds<Condition extends true>(): Condition
