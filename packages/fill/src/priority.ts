/** How urgent bytes are: `critical` before `high` before `medium` before `low`; equals in order of arrival. */
export type Priority = 'critical' | 'high' | 'medium' | 'low'

export const PRIORITIES: readonly Priority[] = ['critical', 'high', 'medium', 'low']

/** 0 is the most urgent. */
export const rankOf = (priority: Priority): number => PRIORITIES.indexOf(priority)

export const priorityOf = (rank: number): Priority => PRIORITIES[rank] ?? 'low'
