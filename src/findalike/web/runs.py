"""`/v1/jobs`: index a folder that the operator allowed, follow it, stop it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.responses import JSONResponse, Response, StreamingResponse

from findalike.web.jobs import ENDED, Job
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, described_as, problems, service_of
from findalike.web.schema import JobIn, JobOut, Jobs, Line

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

JobId = Annotated[Line, InPath(description="a job's id")]

BETWEEN = 0.2
SILENCE = 15.0
"""Seconds between two looks at a job, and after which a stream of events says that it is still there."""


@router.post(
    "",
    operation_id="startJob",
    summary="Index a folder",
    status_code=202,
    dependencies=[JSON],
    responses={**described_as(JobOut, 202), **problems(409, 415)},
)
async def start_job(request: Request, asked: JobIn) -> JSONResponse:
    service = service_of(request)
    folders = service.config.folder_ids()
    path = folders.get(asked.folder)
    if path is None:
        allowed = ", ".join(map(repr, folders)) or "none: its operator may give --allow DIR"
        raise ProblemError(
            "not-found", f"no folder {asked.folder!r} is allowed on this server; there are {allowed}"
        )
    job = service.jobs.add(asked.folder, path, asked.retry)
    return JSONResponse(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get(
    "",
    operation_id="listJobs",
    summary="All jobs, the newest first",
    responses={**described_as(Jobs), **problems()},
)
async def list_jobs(request: Request) -> JSONResponse:
    return JSONResponse({"jobs": [job.to_json() for job in service_of(request).jobs.all()]})


@router.get(
    "/{job_id}", operation_id="getJob", summary="One job", responses={**described_as(JobOut), **problems()}
)
async def get_job(request: Request, job_id: JobId) -> JSONResponse:
    return JSONResponse(service_of(request).jobs.get(job_id).to_json())


@router.delete(
    "/{job_id}",
    operation_id="cancelJob",
    summary="Stop a job; what was done is kept",
    responses={**described_as(JobOut), **problems()},
)
async def cancel_job(request: Request, job_id: JobId) -> JSONResponse:
    return JSONResponse(service_of(request).jobs.cancel(job_id).to_json())


@router.get(
    "/{job_id}/events",
    operation_id="followJob",
    summary="A job as server-sent events, until it ends",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **problems()},
)
async def follow_job(request: Request, job_id: JobId) -> StreamingResponse:
    service = service_of(request)
    job = service.jobs.get(job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(job), headers=headers, media_type="text/event-stream")


async def _events(job: Job) -> AsyncIterator[str]:
    """The job whenever it changed, the last time when it ended, and a sign of life in between."""
    before, silent = "", 0.0
    while True:
        ended, told = job.state in ENDED, json.dumps(job.to_json())
        if told != before or ended:
            yield f"event: job\ndata: {told}\n\n"
            before, silent = told, 0.0
        if ended:
            return
        await asyncio.sleep(BETWEEN)
        silent += BETWEEN
        if silent >= SILENCE:
            yield ": still there\n\n"
            silent = 0.0
