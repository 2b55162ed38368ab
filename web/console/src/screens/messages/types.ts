import type { Answer } from "../../api/client";

export type MessageDetail = Answer<"/messages/{id}", "get">;
export type Message = Answer<"/messages", "get">["items"][number];
export type Lane = MessageDetail["lanes"][number];
export type Verdict = MessageDetail["verdict"];
