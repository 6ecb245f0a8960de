package dev.reelsense

import java.io.File
import java.net.InetAddress
import kotlin.math.abs
import kotlin.math.max

/** Every case of tests/conformance/cases.json through this SDK's public door. */
internal class Conformance(private val root: File) {
    class Difference(message: String) : Exception(message)

    /** How many cases there were, and what is wrong with those that failed. */
    class Outcome(val cases: Int, val listed: Int, val failures: List<String>) {
        override fun toString() = "conformance: $cases cases, ${failures.size} failed"
    }

    fun run(): Outcome {
        val list = json(File(root, "tests/conformance/cases.json").readText())
        val failures = ArrayList<String>()
        val cases = list.getValue("cases") as List<*>
        for (entry in cases) {
            val case = entry as Map<*, *>
            val file = case["file"] as String
            try {
                when (case["kind"]) {
                    "capture" -> capture(File(root, file))
                    "socket" -> socket(File(root, file))
                    "model" -> model(File(root, file))
                    "decisions" -> decisions(File(root, file))
                    else -> throw Difference("kind ${case["kind"]} is not known")
                }
            } catch (wrong: Difference) {
                failures.add("$file: ${wrong.message}")
            } catch (@Suppress("TooGenericExceptionCaught") wrong: RuntimeException) {
                failures.add("$file: $wrong")
            }
        }
        return Outcome(cases.size, list.int("count"), failures)
    }

    private fun equal(what: String, got: Any?, expected: Any?) {
        if (got != expected) throw Difference("$what: got $got, expected $expected")
    }

    private fun close(what: String, got: Float, expected: Double) {
        if (!(abs(got - expected) <= 1e-6 * max(1.0, abs(expected)))) {
            throw Difference("$what: got $got, expected $expected")
        }
    }

    private fun capture(file: File) {
        val lines = file.readLines()
        val header = json(lines[0])
        val options = @Suppress("UNCHECKED_CAST") (header.getValue("options") as Map<String, Any?>)
        val seen = Recorder()
        Classifier(
            null,
            ClassifierOptions(
                view = View.PACKET, maxFlows = options.int("max_flows"),
                idleTimeoutNs = options.long("idle_timeout_ns"), activeTimeoutNs = options.long("active_timeout_ns"),
                withFeatures = true,
            ),
            seen,
        ).use { classifier ->
            Capture.read(File(root, "tests/golden/captures/${header["capture"]}")).addTo(classifier)
            classifier.finish()
            equal("lost events", classifier.counters()!!.lostEvents, 0L)
        }
        val rows = header.int("rows")
        equal("rows", seen.windows.size, rows)
        equal("ended flows", seen.flows.size, lines.size - 1 - rows)
        for (i in 0 until rows) row("row $i", seen.windows[i], json(lines[1 + i]))
        seen.flows.sortBy { it.flow }
        seen.flows.forEachIndexed { i, flow -> flow("flow $i", flow, lines[1 + rows + i]) }
    }

    private fun tuple(where: String, got: FlowTuple?, expected: Map<String, Any?>) {
        equal("$where client", got?.client, InetAddress.getByName(expected["client"] as String))
        equal("$where server", got?.server, InetAddress.getByName(expected["server"] as String))
        equal("$where client_port", got?.clientPort, expected.int("client_port"))
        equal("$where server_port", got?.serverPort, expected.int("server_port"))
        equal("$where protocol", got?.protocol, expected.int("protocol"))
    }

    private fun row(where: String, got: Window, expected: Map<String, Any?>) {
        equal("$where second", got.second, expected.long("second"))
        equal("$where flow", got.flow, expected.long("flow"))
        tuple(where, got.tuple, expected)
        equal("$where packets_up", got.packetsUp, expected.int("packets_up"))
        equal("$where packets_down", got.packetsDown, expected.int("packets_down"))
        equal("$where bytes_up", got.bytesUp, expected.long("bytes_up"))
        equal("$where bytes_down", got.bytesDown, expected.long("bytes_down"))
        equal("$where bins", got.bins.toList(), (expected["bins"] as List<*>).map { (it as Double).toLong().toInt() })
        val features = expected["features"] as List<*>
        equal("$where number of features", got.features.size, features.size)
        features.forEachIndexed { i, value ->
            close("$where ${Features.names(View.PACKET)[i]}", got.features[i], value as Double)
        }
    }

    private fun flow(where: String, got: FlowSummary, line: String) {
        val expected = json(line)
        equal("$where reason", got.reason.name.lowercase(), expected["reason"])
        tuple(where, got.tuple, expected)
        equal("$where first_ns", got.firstNs, exactLong(line, "first_ns"))
        equal("$where last_ns", got.lastNs, exactLong(line, "last_ns"))
        equal("$where packets_up", got.packetsUp, expected.long("packets_up"))
        equal("$where packets_down", got.packetsDown, expected.long("packets_down"))
        equal("$where bytes_up", got.bytesUp, expected.long("bytes_up"))
        equal("$where bytes_down", got.bytesDown, expected.long("bytes_down"))
        equal("$where windows", got.windows, expected.int("windows"))
        equal("$where idle_windows", got.idleWindows, expected.int("idle_windows"))
    }

    /** A classifier for each connection: the logs' connections are out of order among each other. */
    private fun socket(file: File) {
        val events = SocketEvent.read(File(root, "tests/golden/views/logs/${file.name}"))
        val rows = events.groupBy { it.connection }.mapValues { (_, own) ->
            val seen = Recorder()
            Classifier(null, ClassifierOptions(view = View.SOCKET, withFeatures = true), seen).use { classifier ->
                val flow = classifier.openFlow(own[0].timeNs)
                for (event in own) {
                    val add = if (event.down) classifier::read else classifier::write
                    equal("a read or write", add(flow, event.bytes, event.timeNs), Status.OK)
                }
                classifier.finish()
            }
            ArrayDeque(seen.windows)
        }
        val lines = file.readLines()
        val names = lines[0].split(',').drop(2)
        equal("features", names, Features.names(View.SOCKET))
        lines.drop(1).forEachIndexed { number, line ->
            val where = "line ${number + 2}"
            val fields = line.split(',')
            val row = rows.getValue(fields[0]).removeFirstOrNull() ?: throw Difference("$where: there is no such row")
            equal("$where second", row.second, fields[1].toLong())
            names.forEachIndexed { i, name -> close("$where $name", row.features[i], fields[2 + i].toDouble()) }
        }
        for ((connection, left) in rows) equal("further rows of connection $connection", left.size, 0)
    }

    private fun model(file: File) {
        val golden = json(file.readText())
        Model.load(File(file.parentFile, "model.onnx").readBytes()).use { model ->
            val columns = (golden["features"] as List<*>).map(Features.names(model.view)::indexOf)
            equal("inputs", model.inputs, columns.size)
            val given = golden["rows"] as List<*>
            val width = Features.count(model.view)
            val rows = FloatArray(given.size * width)
            given.forEachIndexed { r, row ->
                (row as List<*>).forEachIndexed { c, value -> rows[r * width + columns[c]] = (value as Double).toFloat() }
            }
            val probabilities = golden["probability"] as List<*>
            model.classify(rows).forEachIndexed { r, decision ->
                close("row $r", decision.probability, probabilities[r] as Double)
            }
        }
    }

    private fun decisions(file: File) {
        val lines = file.readLines()
        val header = json(lines[0])
        val seen = Recorder()
        Model.load(File(root, header["model"] as String).readBytes()).use { model ->
            Classifier(model, ClassifierOptions(maxFlows = header.int("max_flows")), seen).use { classifier ->
                Capture.read(File(root, header["capture"] as String)).addTo(classifier)
                classifier.finish()
            }
        }
        equal("lines", seen.all.size, lines.size - 1)
        seen.all.forEachIndexed { i, got ->
            val where = "line ${i + 2}"
            val expected = json(lines[i + 1])
            when (got) {
                is Window -> window(where, got, @Suppress("UNCHECKED_CAST") (expected["window"] as Map<String, Any?>?))
                is Second -> second(where, got, @Suppress("UNCHECKED_CAST") (expected["second"] as Map<String, Any?>?))
            }
        }
    }

    private fun reason(reason: Reason) = reason.name.lowercase().replace('_', '-')

    private fun decision(where: String, got: Decision, expected: Map<String, Any?>) {
        close("$where probability", got.probability, expected["probability"] as Double)
        equal("$where label", if (got.label == Label.VIDEO) "video" else "non-video", expected["label"])
        equal("$where uncertain", got.uncertain, expected["uncertain"])
    }

    private fun window(where: String, got: Window, expected: Map<String, Any?>?) {
        expected ?: throw Difference("$where: got a window, expected a second")
        equal("$where second", got.second, expected.long("second"))
        equal("$where flow", got.flow, expected.long("flow"))
        decision(where, got.decision, expected)
        equal("$where dscp", got.dscp, expected.int("dscp"))
        equal("$where dscp_reason", reason(got.dscpReason), expected["dscp_reason"])
    }

    private fun second(where: String, got: Second, expected: Map<String, Any?>?) {
        expected ?: throw Difference("$where: got a second, expected a window")
        equal("$where second", got.second, expected.long("second"))
        decision(where, got.session, expected)
        equal("$where prefetch_depth", got.qos.prefetchDepth, expected.int("prefetch_depth"))
        equal("$where buffer_target_ms", got.qos.bufferTargetMs, expected.int("buffer_target_ms"))
        equal("$where max_bitrate_kbps", got.qos.maxBitrateKbps, expected.int("max_bitrate_kbps"))
        equal("$where throughput_kbps", got.qos.throughputKbps, expected.int("throughput_kbps"))
        val reasons = listOf(got.qos.prefetchReason, got.qos.bufferReason, got.qos.bitrateReason).map(::reason)
        equal("$where reasons", reasons, expected["reasons"])
    }
}
