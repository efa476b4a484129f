/** What an action or an agent may be called: as in schemas/action.schema.json and schemas/agent.schema.json. */
export const NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$/;
