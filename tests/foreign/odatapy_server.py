"""A feed on odatapy, an OData server from PyPI. Prints its port."""

from wsgiref.simple_server import WSGIRequestHandler, make_server

from odatapy.edm.csdl import (
    CsdlAbstractEdmProvider,
    CsdlEntityContainer,
    CsdlEntitySet,
    CsdlEntityType,
    CsdlProperty,
    CsdlPropertyRef,
    CsdlSchema,
)
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor

from model import RESOURCES

FACETS = {
    "Edm.Decimal": {"precision": 14, "scale": 2},
    "Edm.DateTimeOffset": {"precision": 3},
}


class Provider(CsdlAbstractEdmProvider):
    def get_schemas(self):
        types = [
            CsdlEntityType(
                name=name,
                key=[CsdlPropertyRef(name=resource["key"])],
                properties=[
                    CsdlProperty(
                        name=field,
                        type=edm,
                        nullable=field != resource["key"],
                        **FACETS.get(edm, {}),
                    )
                    for field, edm in resource["fields"].items()
                ],
            )
            for name, resource in RESOURCES.items()
        ]
        sets = [CsdlEntitySet(name=name, type=f"Reso.{name}") for name in RESOURCES]
        container = CsdlEntityContainer(name="Container", entity_sets=sets)
        return [CsdlSchema(namespace="Reso", entity_types=types, entity_container=container)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


odata = OData.new_instance()
handler = odata.create_handler(odata.create_service_metadata(Provider()))
store = InMemoryDataStore()
for name in RESOURCES:
    store.set_entities(name, [])
handler.register(InMemoryProcessor(store, page_size=50))

server = make_server("127.0.0.1", 0, ODataWSGIApp(handler), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
