/** A task that the broker has. */
export class AsyncResult<Result = unknown> {
  readonly taskId: string
  declare readonly result?: Result

  constructor(taskId: string) {
    this.taskId = taskId
  }

  toString(): string {
    return this.taskId
  }
}
