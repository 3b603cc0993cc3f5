"""Home Assistant itself, with its MQTT integration on a broker of the test's: what it makes of what Gatehouse says.

usage: check.py BROKER_PORT CONFIG_DIRECTORY

Each line of standard input is a request in JSON, each line of standard output its answer:
    "states"                          every entity: state, attributes, device
    ["call", DOMAIN, SERVICE, DATA]   what a person's press does
It says {"ready": VERSION} once the integration is connected, and every warning of the MQTT integration as {"warning": TEXT}.
"""

import asyncio
import json
import logging
import pathlib
import sys
import types

from homeassistant import bootstrap, config_entries, const, core, loader
from homeassistant.helpers import device_registry, entity_registry

PORT, DIRECTORY = int(sys.argv[1]), sys.argv[2]


def say(value):
    print(json.dumps(value, default=str), flush=True)


class Tell(logging.Handler):
    def emit(self, record):
        if record.name.startswith("homeassistant.components.mqtt") or record.exc_info:
            say({"warning": self.format(record)})


async def main():
    (pathlib.Path(DIRECTORY) / "configuration.yaml").touch()
    hass = core.HomeAssistant(DIRECTORY)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    # What the integration asks for and this check has no use of.
    hass.config.components |= {"http", "file_upload"}
    hass.http = types.SimpleNamespace(register_view=lambda view: None)
    entry = config_entries.ConfigEntry(
        version=1, minor_version=1, domain="mqtt", title="broker", source="user",
        data={"broker": "127.0.0.1", "port": PORT}, options={},
    )
    logging.getLogger().addHandler(Tell(level=logging.WARNING))
    await hass.async_start()
    await hass.config_entries.async_add(entry)
    await hass.async_block_till_done()
    say({"ready": const.__version__, "entry": str(entry.state), "why": entry.reason})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        if request == "states":
            say(states(hass))
        else:
            _, domain, service, data = request
            try:
                await hass.services.async_call(domain, service, data, blocking=True)
                say("done")
            except Exception as error:  # whatever a person would be shown
                say({"failed": repr(error)})
    await hass.async_stop(force=True)


def states(hass):
    entities, devices = entity_registry.async_get(hass), device_registry.async_get(hass)
    found = {}
    for entity in entities.entities.values():
        state, device = hass.states.get(entity.entity_id), devices.async_get(entity.device_id)
        found[entity.unique_id] = {
            "id": entity.entity_id,
            "state": state and state.state,
            "attributes": state and dict(state.attributes),
            "device": device and device.name,
            "via": device and device.via_device_id and devices.async_get(device.via_device_id).name,
        }
    return found


asyncio.run(main())
